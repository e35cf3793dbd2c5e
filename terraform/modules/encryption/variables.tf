variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where the keys are: where the buckets are."
  type        = string
}

variable "name" {
  description = "The key ring's name."
  type        = string
}

variable "production" {
  description = "Whether Terraform refuses to destroy the keys; else it leaves them where they are."
  type        = bool
}

variable "storage_agent" {
  description = "Cloud Storage's agent, by its e-mail address."
  type        = string
}
