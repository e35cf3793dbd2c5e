# What is kept, and under which keys: documents, objects, secrets.

module "database" {
  source = "./modules/database"

  project      = var.project
  location     = coalesce(var.firestore_location, var.region)
  production   = local.production
  collections  = var.collections
  rules_file   = "${path.root}/../firestore.rules"
  indexes_file = "${path.root}/../firestore.indexes.json"
  backups      = var.backups

  depends_on = [module.apis]
}

module "encryption" {
  source = "./modules/encryption"

  project       = var.project
  region        = var.region
  name          = var.name
  production    = local.production
  storage_agent = module.apis.agents.storage

  depends_on = [module.apis]
}

module "storage" {
  source = "./modules/storage"

  project     = var.project
  region      = var.region
  name        = var.name
  production  = local.production
  files_key   = module.encryption.files_key
  web_origins = var.web_origins

  depends_on = [module.apis]
}

module "secrets" {
  source = "./modules/secrets"

  project    = var.project
  name       = var.name
  production = local.production
  secrets    = local.secrets
  versions   = var.secret_versions
  accessors = {
    for secret in local.secrets : secret => [
      for name, class in local.classes : module.accounts.functions[name] if contains(class.secrets, secret)
    ]
  }

  api_keys           = var.api_keys
  fetch_token_secret = var.fetch_token_secret
  jwt_secret         = var.jwt_secret
  smtp_password      = var.smtp_password

  depends_on = [module.apis]
}
