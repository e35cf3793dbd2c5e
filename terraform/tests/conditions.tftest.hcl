# Settings that contradict each other are refused before anything is made.

mock_provider "google" {}
mock_provider "google-beta" {}

variables {
  project     = "demo-farm-1"
  environment = "dev"
}

run "nothing_contradicts" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    environment        = "prod"
    firestore_location = "eur3"
    collections        = { files = "stored_files" }
    has_smtp_password  = true
    settings = {
      JWT_JWKS_URL   = "https://idp.example.org/keys"
      JWT_AUDIENCE   = "printpipe"
      JWT_ISSUER     = "https://idp.example.org"
      JWT_ALGORITHMS = "RS256"
      SMTP_HOST      = "mail.example.org"
      SMTP_FROM      = "farm@example.org"
      SMTP_USER      = "farm"
    }
  }
}

run "empty_setting" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    settings = { GCODE_ALLOWED = "" }
  }

  expect_failures = [terraform_data.conditions]
}

run "key_set_without_audience" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    settings = { JWT_JWKS_URL = "https://idp.example.org/keys", JWT_ISSUER = "https://idp.example.org" }
  }

  expect_failures = [terraform_data.conditions]
}

run "algorithms_without_key_set" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    settings = { JWT_ALGORITHMS = "RS256" }
  }

  expect_failures = [terraform_data.conditions]
}

run "key_set_and_a_secret" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    secret_versions = { jwt_secret = 2 }
    settings = {
      JWT_JWKS_URL = "https://idp.example.org/keys"
      JWT_AUDIENCE = "printpipe"
      JWT_ISSUER   = "https://idp.example.org"
    }
  }

  expect_failures = [terraform_data.conditions]
}

run "mail_from_nobody" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    settings = { SMTP_HOST = "mail.example.org" }
  }

  expect_failures = [terraform_data.conditions]
}

run "mail_user_without_server" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    has_smtp_password = true
    settings          = { SMTP_USER = "farm" }
  }

  expect_failures = [terraform_data.conditions]
}

run "mail_user_without_password" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    settings = { SMTP_HOST = "mail.example.org", SMTP_FROM = "farm@example.org", SMTP_USER = "farm" }
  }

  expect_failures = [terraform_data.conditions]
}

run "mail_password_without_user" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    has_smtp_password = true
    settings          = { SMTP_HOST = "mail.example.org", SMTP_FROM = "farm@example.org" }
  }

  expect_failures = [terraform_data.conditions]
}

run "prod_without_backups" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    environment = "prod"
    backups     = { daily_days = 0, weekly_days = 0 }
  }

  expect_failures = [terraform_data.conditions]
}

run "dev_without_backups" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    backups = { daily_days = 0, weekly_days = 0 }
  }
}

run "collection_of_somebody_else" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    collections = { files = "print_jobs" }
  }

  expect_failures = [terraform_data.conditions]
}

run "documents_on_another_continent" {
  command = plan

  plan_options {
    target = [terraform_data.conditions]
  }

  variables {
    region             = "us-central1"
    firestore_location = "eur3"
  }

  expect_failures = [terraform_data.conditions]
}
