# Every row of the catalog as a function; as whom they run, where their images are.

module "accounts" {
  source = "./modules/accounts"

  project        = var.project
  classes        = local.classes
  database       = module.database.name
  files_bucket   = module.storage.files_bucket
  data_key       = module.encryption.data_key
  sources_bucket = module.storage.sources_bucket
  repository     = module.registry.repository
  pubsub_agent   = module.apis.agents.pubsub

  depends_on = [module.apis]
}

module "registry" {
  source = "./modules/registry"

  project = var.project
  region  = var.region
  name    = var.name

  depends_on = [module.apis]
}

# A build or a revision that finds its rights missing fails for good, and rights are known everywhere only some minutes
# after they were granted.
resource "time_sleep" "rights" {
  create_duration = "120s"

  triggers = {
    classes = sha256(jsonencode(local.classes))
  }

  depends_on = [module.accounts, module.secrets, module.bus]
}

module "function" {
  source   = "./modules/function"
  for_each = local.rows

  project     = var.project
  region      = var.region
  name        = each.key
  row         = each.value
  bundle_file = "${var.bundles}/${each.value.bundle.file}"

  sources_bucket = module.storage.sources_bucket
  repository     = module.registry.repository
  account        = module.accounts.functions[each.value.class]
  build_account  = module.accounts.build
  events_account = module.accounts.events

  environment = local.environments[each.key]
  secrets = {
    for secret in setintersection(local.secrets_of[each.key], keys(local.mounts)) : local.mounts[secret] => {
      secret  = module.secrets.ids[secret]
      version = module.secrets.versions[secret]
    }
  }

  # Who may do what behind a path is looked at in code; what has none is called by this project alone.
  public  = each.value.http != null
  ingress = each.value.http == null ? "ALLOW_INTERNAL_ONLY" : local.open_ingress

  trigger           = try(local.triggers[each.key], null)
  dead_letter_topic = try(each.value.trigger.topic, "") == "dead-letters" ? module.bus.parked : module.bus.dead_letters
  pubsub_agent      = module.apis.agents.pubsub

  depends_on = [module.apis, time_sleep.rights]
}

locals {
  # The operator's keys are read while a function runs, so that a key can be taken back without a deployment.
  mounts = {
    fetch_token_secret = "FETCH_TOKEN_SECRET"
    jwt_secret         = "JWT_SECRET"
    smtp_password      = "SMTP_PASSWORD"
  }

  secrets_path = "projects/${var.project}/secrets"
  open_ingress = var.domain == null ? "ALLOW_ALL" : "ALLOW_INTERNAL_AND_GCLB"

  environments = {
    for name, row in local.rows : name => merge(
      # The mail server's user goes with its password, and so only where that is.
      {
        for key, value in var.settings : key => value
        if key != "SMTP_USER" || contains(local.secrets_of[name], "smtp_password")
      },
      {
        FIRESTORE_PROJECT_ID                  = var.project
        FIRESTORE_COLLECTION_FILES            = var.collections.files
        FIRESTORE_COLLECTION_PRINTER_STATUS   = var.collections.printer_status_updates
        FIRESTORE_COLLECTION_PRINTER_COMMANDS = var.collections.printer_commands
        PUBLIC_BASE_URL                       = local.public_base_url
        TRUSTED_PROXIES                       = var.domain == null ? "1" : "2"
      },
      contains(row.uses, "files") ? { GCS_BUCKET_NAME = module.storage.files_bucket } : {},
      contains(row.uses, "keys") ? { KMS_KEY_PATH = module.encryption.data_key } : {},
      contains(local.secrets_of[name], "api_keys") ? {
        SECRET_MANAGER_API_KEYS_PATH = "${local.secrets_path}/${module.secrets.ids["api_keys"]}/versions/latest"
      } : {},
    )
  }

  triggers = merge(
    {
      for name, row in local.firestore_rows : name => {
        firestore = {
          event    = row.trigger.firestore
          database = module.database.name
          # A trigger is where its database is, even where that is in several regions (eur3, nam5).
          location = module.database.location
          document = join("/", [
            lookup(var.collections, split("/", row.trigger.document)[0], split("/", row.trigger.document)[0]),
            split("/", row.trigger.document)[1],
          ])
        }
      }
    },
    {
      for name, row in local.topic_rows : name => {
        messages = {
          topic     = module.bus.topics[row.trigger.topic]
          filter    = try(row.trigger.filter, "")
          retention = "604800s" # 7 days
          # A dead letter's function has all the time that a store may need; it alone stands before the parked ones.
          attempts = row.trigger.topic == "dead-letters" ? 100 : 5
        }
      }
    },
    {
      for name, row in local.schedule_rows : name => {
        messages = {
          topic     = module.bus.schedules
          filter    = "attributes.function = \"${name}\""
          retention = "86400s" # a day; what a lost tick was to do, a later one does
          attempts  = 5
        }
        schedule = {
          cron      = row.trigger.schedule
          time_zone = try(row.trigger.time_zone, "UTC")
        }
      }
    },
  )
}
