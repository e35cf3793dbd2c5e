variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where the function runs."
  type        = string
}

variable "name" {
  description = "The function's name, which its subscription and its job have, too."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,46}[a-z0-9])?$", var.name))
    error_message = "A function's name has at most 48 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "row" {
  description = "The function's row of the catalog: its size (memory in MiB, timeout in seconds), and its bundle."
  type = object({
    memory        = number
    cpu           = number
    concurrency   = number
    timeout       = number
    min_instances = number
    max_instances = number
    bundle = object({
      entry_point = string
      sha256      = string
    })
  })
}

variable "bundle_file" {
  description = "The path of the function's zip."
  type        = string
}

variable "sources_bucket" {
  description = "The name of the bucket of the functions' zips."
  type        = string
}

variable "repository" {
  description = "Where the function's image is put: projects/…/locations/…/repositories/…"
  type        = string
}

variable "account" {
  description = "As whom the function runs, by its e-mail address."
  type        = string
}

variable "build_account" {
  description = "As whom it is built, by its e-mail address."
  type        = string
}

variable "events_account" {
  description = "As whom events call it, by its e-mail address."
  type        = string
}

variable "environment" {
  description = "Its settings."
  type        = map(string)
}

variable "secrets" {
  description = "Its secrets by the variables that they are mounted as: id and version."
  type        = map(object({ secret = string, version = string }))
  default     = {}
}

variable "ingress" {
  description = "From where it can be called: ALLOW_ALL, ALLOW_INTERNAL_AND_GCLB or ALLOW_INTERNAL_ONLY."
  type        = string
}

variable "public" {
  description = "Whether everybody may call it, as it looks at credentials itself; else events alone."
  type        = bool
}

variable "trigger" {
  description = <<-EOT
    What calls it; null for whoever knows its URL. `messages` are a topic's, kept for `retention` (as 86400s) and given
    up after so many attempts; with a `schedule` they are ticks, which the clock publishes to that topic.
  EOT
  type = object({
    firestore = optional(object({
      event    = string
      database = string
      document = string
      location = string
    }))
    messages = optional(object({
      topic     = string
      filter    = string
      retention = string
      attempts  = number
    }))
    schedule = optional(object({
      cron      = string
      time_zone = string
    }))
  })
  default = null

  validation {
    condition     = try(var.trigger.schedule == null || var.trigger.messages != null, true)
    error_message = "A schedule needs the topic of its ticks."
  }
}

variable "dead_letter_topic" {
  description = "Where messages go that it did not take: projects/…/topics/…; null where it takes none."
  type        = string
  default     = null
}

variable "pubsub_agent" {
  description = "Pub/Sub's agent, by its e-mail address."
  type        = string
}
