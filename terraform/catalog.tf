# The table of functions, read once: every row with its defaults, its bundle, and what follows from both.

locals {
  labels = merge({ app = var.name, environment = var.environment }, var.labels)

  production = var.environment == "prod"

  table    = yamldecode(file("${path.root}/../functions/catalog.yaml"))
  manifest = jsondecode(file("${var.bundles}/manifest.json"))

  # Every row with all its fields; an absent trigger, path or credential is null.
  rows = {
    for row in local.table.functions : row.name => merge(
      { http = null, trigger = null, auth = null, dialect = null, limit = null, bearer = null },
      local.table.defaults,
      row,
      {
        bundle = { for key in ["entry_point", "file", "sha256"] : key => local.manifest[row.name][key] }
        class  = length(row.uses) == 0 ? "none" : join("-", sort([for use in row.uses : substr(use, 0, 3)]))
      },
    )
  }

  http_rows      = { for name, row in local.rows : name => row if row.http != null }
  firestore_rows = { for name, row in local.rows : name => row if can(row.trigger.firestore) }
  topic_rows     = { for name, row in local.rows : name => row if can(row.trigger.topic) }
  schedule_rows  = { for name, row in local.rows : name => row if can(row.trigger.schedule) }

  # What the functions of one class of `uses` need; they share a service account.
  classes = {
    for class in distinct([for row in values(local.rows) : row.class]) : class => {
      uses    = distinct(flatten([for row in values(local.rows) : row.uses if row.class == class]))
      secrets = distinct(flatten([for name, row in local.rows : local.secrets_of[name] if row.class == class]))
    }
  }

  # The modules that read a secret, by the secret's name here: a function has it if its bundle has the module.
  secret_readers = {
    fetch_token_secret = "printpipe.domain.fetch_tokens"
    jwt_secret         = "printpipe.services.access.tokens"
    api_keys           = "printpipe.adapters.google.secrets"
    smtp_password      = "printpipe.adapters.mail"
  }

  # With a key set of the issuer there is no secret of ours; without a mail server's password neither.
  secrets = toset([
    for name in keys(local.secret_readers) : name
    if !(name == "jwt_secret" && contains(keys(var.settings), "JWT_JWKS_URL")) && !(name == "smtp_password" && !var.has_smtp_password)
  ])

  secrets_of = {
    for name in keys(local.rows) : name => [
      for secret in local.secrets : secret if contains(local.manifest[name].modules, local.secret_readers[secret])
    ]
  }

  public_base_url = var.domain == null ? "https://${var.region}-${var.project}.cloudfunctions.net" : "https://${var.domain}"
}
