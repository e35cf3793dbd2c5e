# Everything that differs between deployments. What belongs to a function stands in functions/catalog.yaml.

variable "project" {
  description = "The id of the Google Cloud project; it exists and has billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "project_number" {
  description = "The project's number, where a plan is to be made without asking Google for it."
  type        = string
  default     = null

  validation {
    condition     = var.project_number == null || can(regex("^[0-9]{6,20}$", var.project_number))
    error_message = "A project's number has digits alone."
  }
}

variable "environment" {
  description = "dev or prod. In prod nothing that holds data can be destroyed."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment is dev or prod."
  }
}

variable "region" {
  description = "Where functions, buckets, topics, keys and schedules are; of the regions that Cloud Scheduler serves, too."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.region))
    error_message = "region is a single region such as europe-west1."
  }
}

variable "firestore_location" {
  description = "Firestore's location: the region, or a multi-region such as eur3 or nam5. It can never be changed."
  type        = string
  default     = null

  validation {
    condition     = var.firestore_location == null || can(regex("^([a-z]+-[a-z]+[0-9]|eur3|nam5|nam7)$", var.firestore_location))
    error_message = "firestore_location is a region such as europe-west1, or eur3, nam5 or nam7."
  }
}

variable "name" {
  description = "With which the names of buckets, keys, accounts and alerts begin, where they need one."
  type        = string
  default     = "printpipe"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name has 3 to 16 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "labels" {
  description = "Labels for everything that can have some."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for key, value in var.labels :
      can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "A label's key and value have lower-case letters, digits, hyphens and underscores, at most 63."
  }
}

variable "collections" {
  description = "Other names for three collections: files, printer_status_updates, printer_commands."
  type = object({
    files                  = optional(string, "files")
    printer_status_updates = optional(string, "printer_status_updates")
    printer_commands       = optional(string, "printer_commands")
  })
  default = {}

  validation {
    condition     = alltrue([for name in values(var.collections) : can(regex("^[A-Za-z][A-Za-z0-9_]{0,63}$", name))])
    error_message = "A collection's name begins with a letter and has letters, digits and underscores."
  }

  validation {
    condition     = length(distinct(values(var.collections))) == 3
    error_message = "The three collections need three names."
  }
}

variable "recipients" {
  description = "LAN sites whose agents take commands from Pub/Sub, by their ids; a site that is not listed polls."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.recipients : can(regex("^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$", id))])
    error_message = "A recipient's id has 3 to 64 lower-case letters, digits and hyphens."
  }
}

variable "settings" {
  description = "Further variables of the functions (README, \"Settings of the functions\"); none that Terraform sets itself."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.settings), [
      "FIRESTORE_PROJECT_ID", "GCP_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "GCS_BUCKET_NAME", "KMS_KEY_PATH",
      "API_KEYS_PRINTER_STATUS", "SECRET_MANAGER_API_KEYS", "SECRET_MANAGER_API_KEYS_PATH", "FETCH_TOKEN_SECRET",
      "JWT_SECRET", "SMTP_PASSWORD", "PUBLIC_BASE_URL", "TRUSTED_PROXIES", "DEBUG_ERRORS", "PRINTPIPE_BACKEND",
      "PRINTPIPE_DATA_DIR", "FIRESTORE_COLLECTION_FILES", "FIRESTORE_COLLECTION_PRINTER_STATUS",
      "FIRESTORE_COLLECTION_PRINTER_COMMANDS", "FIRESTORE_INDEXES",
    ])) == 0
    error_message = "Secrets have variables of their own; DEBUG_ERRORS is never set in a cloud; the rest follows from what is deployed."
  }
}

variable "domain" {
  description = "The one address of the API, such as api.example.org: makes a load balancer. Without it each function has its own URL."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain is a host name in lower case, without a scheme."
  }
}

variable "requests_per_minute" {
  description = "What Cloud Armor lets one address ask of one function in a minute. A site's agent and its people share one."
  type        = number
  default     = 1200

  validation {
    condition     = var.requests_per_minute >= 100 && var.requests_per_minute <= 10000
    error_message = "requests_per_minute is between 100 and 10000."
  }
}

variable "api_keys" {
  description = "The operator's keys, one per line or comma. Null: Terraform makes one that it never sees again."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "jwt_secret" {
  description = "What bearer tokens are signed with (HS256), where the issuer has no key set; two, comma-separated, while one is replaced. Null: one is made."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "fetch_token_secret" {
  description = "What file tokens are signed with; two, comma-separated, while one is replaced. Null: one is made."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "smtp_password" {
  description = "The mail server's password; needs SMTP_HOST and SMTP_USER in settings."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "has_smtp_password" {
  description = "Whether the mail server wants one; Terraform may not look into smtp_password itself."
  type        = bool
  default     = false
}

variable "secret_versions" {
  description = "Counted up to have a new version of a secret written: api_keys, jwt_secret, fetch_token_secret, smtp_password."
  type = object({
    api_keys           = optional(number, 1)
    jwt_secret         = optional(number, 1)
    fetch_token_secret = optional(number, 1)
    smtp_password      = optional(number, 1)
  })
  default = {}
}

variable "backups" {
  description = "Days that daily and weekly backups of Firestore are kept (at most 98); 0 makes none."
  type = object({
    daily_days  = optional(number, 7)
    weekly_days = optional(number, 0)
  })
  default = {}

  validation {
    condition     = alltrue([for days in values(var.backups) : days >= 0 && days <= 98 && days == floor(days)])
    error_message = "Backups are kept for 0 to 98 whole days."
  }
}

variable "web_origins" {
  description = "Origins of web apps that upload straight to the bucket, such as https://app.example.org."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.web_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "An origin is https:// and a host, without a path."
  }
}

variable "alert_emails" {
  description = "Who is told of alerts."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails holds e-mail addresses."
  }
}

variable "budget" {
  description = "A month's budget in the currency of the billing account, which is named with it; null for none."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string, "EUR")
  })
  default = null

  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "A billing account is XXXXXX-XXXXXX-XXXXXX in hexadecimal digits."
  }

  validation {
    condition     = var.budget == null || try(var.budget.amount > 0 && var.budget.amount == floor(var.budget.amount), false)
    error_message = "A budget is a whole amount above 0."
  }
}

variable "bundles" {
  description = "The folder of the functions' zips and their manifest, which `make bundle` writes."
  type        = string
  default     = "../build/bundles"
}
