# What one variable's validation cannot see: settings that contradict each other. Most of them the functions would
# refuse, too, but only when they start.

locals {
  # Names that collections have anyway.
  collections = setsubtract(
    [for index in jsondecode(file("${path.root}/../firestore.indexes.json")).fieldOverrides : index.collectionGroup],
    ["files", "printer_commands", "printer_status_updates"],
  )

  # Where Firestore is, by the first word of a region there.
  documents_near = lookup(
    { eur3 = "europe", nam5 = "us", nam7 = "us" },
    coalesce(var.firestore_location, var.region),
    split("-", coalesce(var.firestore_location, var.region))[0],
  )
}

resource "terraform_data" "conditions" {
  lifecycle {
    precondition {
      condition     = alltrue([for value in values(var.settings) : value != ""])
      error_message = "settings: an empty one counts as absent; leave it out."
    }

    precondition {
      condition = !contains(keys(var.settings), "JWT_JWKS_URL") || length(
        setsubtract(["JWT_AUDIENCE", "JWT_ISSUER"], keys(var.settings))
      ) == 0
      error_message = "settings: JWT_JWKS_URL needs JWT_AUDIENCE and JWT_ISSUER, as an issuer's keys sign for others, too."
    }

    precondition {
      condition     = !contains(keys(var.settings), "JWT_ALGORITHMS") || contains(keys(var.settings), "JWT_JWKS_URL")
      error_message = "settings: JWT_ALGORITHMS is for JWT_JWKS_URL; with a secret of ours it is HS256."
    }

    precondition {
      condition     = !contains(keys(var.settings), "JWT_JWKS_URL") || var.secret_versions.jwt_secret == 1
      error_message = "secret_versions: with JWT_JWKS_URL there is no jwt_secret that could have another version."
    }

    precondition {
      condition     = !contains(keys(var.settings), "SMTP_HOST") || contains(keys(var.settings), "SMTP_FROM")
      error_message = "settings: SMTP_HOST needs SMTP_FROM."
    }

    precondition {
      condition     = contains(keys(var.settings), "SMTP_HOST") || !contains(keys(var.settings), "SMTP_USER")
      error_message = "settings: SMTP_USER needs SMTP_HOST."
    }

    precondition {
      condition     = contains(keys(var.settings), "SMTP_USER") == var.has_smtp_password
      error_message = "settings: SMTP_USER and has_smtp_password go together."
    }

    precondition {
      condition     = !local.production || var.backups.daily_days + var.backups.weekly_days > 0
      error_message = "backups: in prod there are some."
    }

    precondition {
      condition     = length(setintersection(values(var.collections), local.collections)) == 0
      error_message = "collections: another collection has that name."
    }

    precondition {
      condition     = split("-", var.region)[0] == local.documents_near
      error_message = "firestore_location: the documents would be on another continent than the functions."
    }
  }
}

# No contradiction, but nothing that anybody wants.
check "alerts" {
  assert {
    condition     = !local.production || length(var.alert_emails) > 0
    error_message = "alert_emails: in prod nobody is told of an alert."
  }
}
