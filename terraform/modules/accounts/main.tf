# As whom functions run, are called and are built. One account per class of `uses`, with the rights that those need;
# what belongs to a topic, a secret or a recipient is granted beside it.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_service_account" "functions" {
  for_each = var.classes

  project      = var.project
  account_id   = "fn-${each.key}"
  display_name = "Functions that use ${length(each.value.uses) == 0 ? "nothing" : join(", ", sort(each.value.uses))}"
}

resource "google_project_iam_member" "logs" {
  for_each = local.functions

  project = var.project
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${each.value}"
}

resource "google_project_iam_member" "documents" {
  for_each = local.users["documents"]

  project = var.project
  role    = "roles/datastore.user"
  member  = "serviceAccount:${each.value}"

  # One into which a backup is restored is for people to look at first.
  condition {
    title      = "the functions' database"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }
}

resource "google_storage_bucket_iam_member" "files" {
  for_each = local.users["files"]

  bucket = var.files_bucket
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${each.value}"
}

# Without a key file an account signs URLs by a call, which it needs leave for even as itself.
resource "google_service_account_iam_member" "signing" {
  for_each = local.users["files"]

  service_account_id = "projects/${var.project}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${each.value}"
}

resource "google_kms_crypto_key_iam_member" "keys" {
  for_each = local.users["keys"]

  crypto_key_id = var.data_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}

locals {
  # By their documented form, so that they are known before the accounts exist.
  functions = {
    for class, account in google_service_account.functions :
    class => "${account.account_id}@${var.project}.iam.gserviceaccount.com"
  }
  events = "${google_service_account.events.account_id}@${var.project}.iam.gserviceaccount.com"
  build  = "${google_service_account.build.account_id}@${var.project}.iam.gserviceaccount.com"

  users = {
    for use in ["documents", "files", "keys"] :
    use => { for class, needs in var.classes : class => local.functions[class] if contains(needs.uses, use) }
  }
}
