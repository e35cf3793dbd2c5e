# What prod keeps and dev gives up, module by module.

mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

mock_provider "google-beta" {}

variables {
  project      = "demo-farm-1"
  region       = "europe-west1"
  location     = "eur3"
  name         = "printpipe"
  rules_file   = "../firestore.rules"
  indexes_file = "../firestore.indexes.json"
  backups      = { daily_days = 7, weekly_days = 0 }
  collections = {
    files                  = "stored_files"
    printer_commands       = "orders"
    printer_status_updates = "printer_status_updates"
  }
  files_key     = "projects/demo-farm-1/locations/europe-west1/keyRings/printpipe/cryptoKeys/files"
  storage_agent = "service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
  web_origins   = []
}

run "database_in_prod" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    production = true
    backups    = { daily_days = 7, weekly_days = 56 }
  }

  assert {
    condition = (
      google_firestore_database.this.deletion_policy == "PREVENT" &&
      google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_ENABLED"
    )
    error_message = "It could be destroyed."
  }

  assert {
    condition     = google_firestore_database.this.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "It cannot be read as it was."
  }

  assert {
    condition = (
      google_firestore_backup_schedule.daily[0].retention == "604800s" &&
      google_firestore_backup_schedule.weekly[0].retention == "4838400s"
    )
    error_message = "Backups are kept for other times than were asked for."
  }
}

run "database_in_dev" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    production = false
    backups    = { daily_days = 0, weekly_days = 0 }
  }

  assert {
    condition = (
      google_firestore_database.this.deletion_policy == "DELETE" &&
      google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_DISABLED"
    )
    error_message = "It cannot be destroyed."
  }

  assert {
    condition     = length(google_firestore_backup_schedule.daily) + length(google_firestore_backup_schedule.weekly) == 0
    error_message = "There are backups that nobody asked for."
  }

  assert {
    condition     = length(google_firestore_index.this) == length(jsondecode(file(var.indexes_file)).indexes)
    error_message = "An index is missing."
  }

  assert {
    condition = toset([for index in google_firestore_index.this : index.collection]) == toset([
      for index in jsondecode(file(var.indexes_file)).indexes :
      lookup({ files = "stored_files", printer_commands = "orders" }, index.collectionGroup, index.collectionGroup)
    ])
    error_message = "An index is of a collection by its other name."
  }

  assert {
    condition     = alltrue([for index in google_firestore_index.this : alltrue([for field in index.fields : field.field_path != "__name__"])])
    error_message = "What Firestore adds itself would be a difference for ever."
  }

  assert {
    condition = alltrue([
      for override in jsondecode(file(var.indexes_file)).fieldOverrides :
      length(google_firestore_field.this["${override.collectionGroup} ${override.fieldPath}"].ttl_config) == (try(override.ttl, false) ? 1 : 0) &&
      length(google_firestore_field.this["${override.collectionGroup} ${override.fieldPath}"].index_config[0].indexes) == 0
    ])
    error_message = "A field expires documents, or is in an index, other than the file says."
  }

  assert {
    condition = (
      strcontains(google_firebaserules_ruleset.this.source[0].files[0].content, "match /orders/{commandId} {") &&
      !strcontains(google_firebaserules_ruleset.this.source[0].files[0].content, "match /printer_commands/")
    )
    error_message = "The rules are for a collection by its other name."
  }

  assert {
    condition     = google_firebaserules_release.this.name == "cloud.firestore"
    error_message = "Rules of another name are nobody's."
  }
}

run "rules_as_they_stand" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    production = false
    collections = {
      files                  = "files"
      printer_commands       = "printer_commands"
      printer_status_updates = "printer_status_updates"
    }
  }

  assert {
    condition     = google_firebaserules_ruleset.this.source[0].files[0].content == file(var.rules_file)
    error_message = "The rules are not those of the file."
  }
}

run "keys_in_prod" {
  command = plan

  module {
    source = "./modules/encryption"
  }

  variables {
    production = true
  }

  assert {
    condition     = alltrue([for key in google_kms_crypto_key.this : key.deletion_policy == "PREVENT" && key.rotation_period == "7776000s"])
    error_message = "A key can be destroyed, or is never changed."
  }

  assert {
    condition     = google_kms_crypto_key_iam_member.storage.crypto_key_id == output.files_key && output.files_key != output.data_key
    error_message = "Cloud Storage may use another key than its own."
  }
}

run "keys_in_dev" {
  command = plan

  module {
    source = "./modules/encryption"
  }

  variables {
    production = false
  }

  assert {
    condition     = alltrue([for key in google_kms_crypto_key.this : key.deletion_policy == "ABANDON"])
    error_message = "A key's name would be lost with its versions."
  }
}

run "buckets_in_prod" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    production  = true
    web_origins = ["https://b.example.org", "https://a.example.org"]
  }

  assert {
    condition     = google_storage_bucket.files.deletion_policy == "PREVENT" && !google_storage_bucket.files.force_destroy
    error_message = "The files could be destroyed."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.files, google_storage_bucket.sources] :
      bucket.uniform_bucket_level_access && bucket.public_access_prevention == "enforced" &&
      bucket.encryption[0].default_kms_key_name == var.files_key
    ])
    error_message = "A bucket can be made public, or is under another key."
  }

  assert {
    condition     = !google_storage_bucket.files.versioning[0].enabled && google_storage_bucket.files.soft_delete_policy[0].retention_duration_seconds == 0
    error_message = "What is erased would still be there."
  }

  assert {
    condition = [
      for rule in google_storage_bucket.files.lifecycle_rule : one(rule.condition).matches_prefix
      if one(rule.action).type == "Delete"
    ] == [tolist(["pictures/unclaimed/"])]
    error_message = "Other objects would go by themselves than those that belong to nobody."
  }

  assert {
    condition     = google_storage_bucket.files.cors[0].origin == tolist(["https://a.example.org", "https://b.example.org"])
    error_message = "Other origins than those that were named."
  }
}

run "buckets_in_dev" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    production = false
  }

  assert {
    condition     = google_storage_bucket.files.deletion_policy == "DELETE" && google_storage_bucket.files.force_destroy
    error_message = "The files cannot be destroyed."
  }

  assert {
    condition     = length(google_storage_bucket.files.cors) == 0
    error_message = "Some origin is let in though none was named."
  }
}

run "secrets_in_prod" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    production = true
    secrets    = ["api_keys", "fetch_token_secret", "jwt_secret"]
    versions   = { api_keys = 1, fetch_token_secret = 3, jwt_secret = 1, smtp_password = 1 }
    accessors = {
      api_keys           = ["fn-doc@demo-farm-1.iam.gserviceaccount.com", "fn-fil@demo-farm-1.iam.gserviceaccount.com"]
      fetch_token_secret = ["fn-fil@demo-farm-1.iam.gserviceaccount.com"]
      jwt_secret         = []
    }
  }

  assert {
    condition     = output.ids == { api_keys = "printpipe-api-keys", fetch_token_secret = "printpipe-fetch-token-secret", jwt_secret = "printpipe-jwt-secret" }
    error_message = "The secrets have other ids."
  }

  assert {
    condition = (
      google_secret_manager_secret.this["fetch_token_secret"].deletion_policy == "PREVENT" &&
      google_secret_manager_secret.this["jwt_secret"].deletion_policy == "DELETE"
    )
    error_message = "A secret that there always is could be destroyed, or one that may become needless could not."
  }

  assert {
    condition = alltrue([
      for version in google_secret_manager_secret_version.this : version.secret_data == null && version.deletion_policy == "DISABLE"
    ])
    error_message = "A secret's value is in the plan, or the one before is destroyed."
  }

  assert {
    condition     = google_secret_manager_secret_version.this["fetch_token_secret"].secret_data_wo_version == "3"
    error_message = "The number does not reach the version."
  }

  assert {
    condition = toset([
      for grant in google_secret_manager_secret_iam_member.accessor : "${grant.secret_id} ${grant.member}"
      ]) == toset([
      "printpipe-api-keys serviceAccount:fn-doc@demo-farm-1.iam.gserviceaccount.com",
      "printpipe-api-keys serviceAccount:fn-fil@demo-farm-1.iam.gserviceaccount.com",
      "printpipe-fetch-token-secret serviceAccount:fn-fil@demo-farm-1.iam.gserviceaccount.com",
    ])
    error_message = "Others may read a secret than those that were named."
  }
}

run "secrets_counted_from_nought" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    production = false
    secrets    = ["api_keys"]
    versions   = { api_keys = 0 }
    accessors  = {}
  }

  expect_failures = [var.versions]
}

run "secret_without_a_value" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    production = false
    secrets    = ["api_keys", "another"]
    versions   = { api_keys = 1, another = 1 }
    accessors  = {}
  }

  expect_failures = [var.secrets]
}

run "agents" {
  command = plan

  module {
    source = "./modules/apis"
  }

  variables {
    services = ["eventarc.googleapis.com", "firestore.googleapis.com", "pubsub.googleapis.com", "storage.googleapis.com"]
  }

  assert {
    condition     = output.agents.pubsub == "service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent has another address."
  }

  assert {
    condition     = toset(keys(google_project_service_identity.this)) == toset(["eventarc.googleapis.com", "pubsub.googleapis.com"])
    error_message = "An agent is given rights before it exists."
  }

  assert {
    condition     = alltrue([for service in google_project_service.this : !service.disable_on_destroy])
    error_message = "A service would be switched off under whatever else uses it."
  }
}

run "agents_of_services_that_are_off" {
  command = plan

  module {
    source = "./modules/apis"
  }

  variables {
    services = ["firestore.googleapis.com"]
  }

  expect_failures = [var.services]
}
