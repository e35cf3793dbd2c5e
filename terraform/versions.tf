terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
    # Only it can have the agents of services made.
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 8.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }

  # Completed at `init` with -backend-config: the bucket is made by hand, once (README, "Deploying").
  backend "gcs" {}
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = local.labels

  # Quota and billing of every call belong to the project that is being made, not to whoever runs Terraform.
  billing_project       = var.project
  user_project_override = true
}

provider "google-beta" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}
