variable "project" {
  description = "The project's id, with which the buckets' names begin."
  type        = string
}

variable "region" {
  description = "Where the buckets are."
  type        = string
}

variable "name" {
  description = "The second part of the buckets' names."
  type        = string
}

variable "production" {
  description = "Whether Terraform refuses to destroy the bucket of files; else it empties it."
  type        = bool
}

variable "files_key" {
  description = "The key under which both are encrypted: projects/…/cryptoKeys/…"
  type        = string
}

variable "web_origins" {
  description = "Origins of web apps that put parts of uploads into the bucket, or fetch from it."
  type        = set(string)
}
