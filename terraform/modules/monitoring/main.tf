# What operators see and are told: metrics.tf, alerts.tf, budget.tf, dashboard.tf; queries.tf is what these share.

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}
