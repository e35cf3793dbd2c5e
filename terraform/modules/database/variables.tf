variable "project" {
  description = "The project's id."
  type        = string
}

variable "location" {
  description = "Firestore's location; another one is another database."
  type        = string
}

variable "production" {
  description = "Whether the database is protected from deletion, and can be read as it was within the last 7 days."
  type        = bool
}

variable "collections" {
  description = "The names of the collections that have other ones in some deployments."
  type = object({
    files                  = string
    printer_status_updates = string
    printer_commands       = string
  })
}

variable "rules_file" {
  description = "The path of firestore.rules."
  type        = string
}

variable "indexes_file" {
  description = "The path of firestore.indexes.json."
  type        = string
}

variable "backups" {
  description = "Days that daily and weekly backups are kept; 0 makes none."
  type = object({
    daily_days  = number
    weekly_days = number
  })
}
