variable "project" {
  description = "The project's id."
  type        = string
}

variable "classes" {
  description = "Classes of functions by their names, with what the functions of each use."
  type        = map(object({ uses = set(string) }))

  validation {
    condition     = alltrue([for class in keys(var.classes) : can(regex("^[a-z][a-z-]{2,26}$", class))])
    error_message = "A class's name has 3 to 27 lower-case letters and hyphens: an account's id has at most 30."
  }
}

variable "database" {
  description = "The name of the database that functions with `documents` read and write."
  type        = string
}

variable "files_bucket" {
  description = "The name of the bucket that functions with `files` read and write."
  type        = string
}

variable "data_key" {
  description = "The key by which functions with `keys` encrypt and decrypt: projects/…/cryptoKeys/…"
  type        = string
}

variable "sources_bucket" {
  description = "The name of the bucket of the functions' zips."
  type        = string
}

variable "repository" {
  description = "Where images are put: projects/…/locations/…/repositories/…"
  type        = string
}

variable "pubsub_agent" {
  description = "Pub/Sub's agent, by its e-mail address."
  type        = string
}
