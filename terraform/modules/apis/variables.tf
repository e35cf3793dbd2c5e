variable "project" {
  description = "The project's id."
  type        = string
}

variable "project_number" {
  description = "The project's number; null: Google is asked."
  type        = string
  default     = null
}

variable "services" {
  description = "What is switched on, such as pubsub.googleapis.com."
  type        = set(string)

  validation {
    condition     = length(setsubtract(["eventarc.googleapis.com", "pubsub.googleapis.com", "storage.googleapis.com"], var.services)) == 0
    error_message = "eventarc, pubsub and storage are among the services: their agents are given rights."
  }
}
