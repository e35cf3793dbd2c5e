# What each variable refuses. Nothing is planned: the module of these runs is variables.tf alone.

variables {
  project     = "demo-farm-1"
  environment = "dev"
}

run "everything_allowed" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    environment         = "prod"
    region              = "us-central1"
    firestore_location  = "nam5"
    name                = "print-farm"
    labels              = { team = "farm", "cost-centre" = "a_1" }
    collections         = { files = "stored_files", printer_commands = "Commands2" }
    recipients          = ["workshop", "site-2"]
    settings            = { TAVERNA_TIME_ZONE = "Europe/Oslo" }
    domain              = "api.example.org"
    requests_per_minute = 100
    backups             = { daily_days = 98, weekly_days = 0 }
    web_origins         = ["https://app.example.org", "https://app.example.org:8443"]
    alert_emails        = ["ops@example.org"]
    budget              = { billing_account = "012345-ABCDEF-6789AB", amount = 50 }
    api_keys            = "one,two"
  }
}

run "project_without_letters" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    project = "123456789012"
  }

  expect_failures = [var.project]
}

run "project_that_ends_with_a_hyphen" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    project = "demo-farm-"
  }

  expect_failures = [var.project]
}

run "environment_of_another_name" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}

run "region_that_is_a_zone" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "firestore_in_a_bucket_location" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    firestore_location = "EU"
  }

  expect_failures = [var.firestore_location]
}

run "name_too_long" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "printpipe-of-the-farm"
  }

  expect_failures = [var.name]
}

run "label_in_capitals" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    labels = { team = "Farm" }
  }

  expect_failures = [var.labels]
}

run "label_key_that_begins_with_a_digit" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    labels = { "1st" = "farm" }
  }

  expect_failures = [var.labels]
}

run "collection_that_is_a_path" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    collections = { files = "farm/files" }
  }

  expect_failures = [var.collections]
}

run "two_collections_of_one_name" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    collections = { files = "printer_commands" }
  }

  expect_failures = [var.collections]
}

run "recipient_in_capitals" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    recipients = ["Workshop"]
  }

  expect_failures = [var.recipients]
}

run "setting_that_is_a_secret" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    settings = { SMTP_PASSWORD = "letmein" }
  }

  expect_failures = [var.settings]
}

run "setting_that_follows_from_what_is_deployed" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    settings = { GCS_BUCKET_NAME = "another" }
  }

  expect_failures = [var.settings]
}

run "stack_traces_in_a_cloud" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    settings = { DEBUG_ERRORS = "true" }
  }

  expect_failures = [var.settings]
}

run "domain_with_a_scheme" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domain = "https://api.example.org"
  }

  expect_failures = [var.domain]
}

run "hardly_any_requests" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    requests_per_minute = 10
  }

  expect_failures = [var.requests_per_minute]
}

run "backups_longer_than_firestore_keeps_them" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    backups = { daily_days = 99 }
  }

  expect_failures = [var.backups]
}

run "backups_of_half_a_day" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    backups = { daily_days = 0.5 }
  }

  expect_failures = [var.backups]
}

run "origin_without_tls" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    web_origins = ["http://app.example.org"]
  }

  expect_failures = [var.web_origins]
}

run "origin_with_a_path" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    web_origins = ["https://app.example.org/"]
  }

  expect_failures = [var.web_origins]
}

run "alert_to_nobody" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alert_emails = ["ops"]
  }

  expect_failures = [var.alert_emails]
}

run "budget_of_no_account" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    budget = { billing_account = "my-account", amount = 50 }
  }

  expect_failures = [var.budget]
}

run "budget_of_nothing" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    budget = { billing_account = "012345-ABCDEF-6789AB", amount = 0 }
  }

  expect_failures = [var.budget]
}
