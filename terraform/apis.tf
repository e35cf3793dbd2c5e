# What the project can do: services and their agents. Everything else comes after.

module "apis" {
  source = "./modules/apis"

  project        = var.project
  project_number = var.project_number
  services = [
    for service in concat(
      [
        "artifactregistry", "cloudbuild", "cloudfunctions", "cloudkms", "cloudresourcemanager", "cloudscheduler",
        "eventarc", "firebaserules", "firestore", "iam", "iamcredentials", "logging", "monitoring", "pubsub", "run",
        "secretmanager", "serviceusage", "storage",
      ],
      var.domain == null ? [] : ["compute"],
      var.budget == null ? [] : ["billingbudgets"],
    ) : "${service}.googleapis.com"
  ]
}
