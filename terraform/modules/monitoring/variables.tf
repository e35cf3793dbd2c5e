variable "project" {
  description = "The project's id."
  type        = string
}

variable "project_number" {
  description = "Its number, by which a budget names it."
  type        = string
}

variable "name" {
  description = "With which names here begin, those of metrics too."
  type        = string
}

variable "environment" {
  description = "dev or prod, for titles."
  type        = string
}

variable "emails" {
  description = "Who is told."
  type        = set(string)
}

variable "budget" {
  description = "A month's budget, or null."
  type = object({
    billing_account = string
    amount          = number
    currency        = string
  })
}

variable "functions" {
  description = "The names of all functions; others' services in the project are of no concern here."
  type        = list(string)
}

variable "host" {
  description = "Where the API answers from outside."
  type        = string
}

variable "health_path" {
  description = "The path there that says whether it works."
  type        = string
}

variable "queue_age_seconds" {
  description = "How long the oldest job may wait before somebody is told."
  type        = number
  default     = 86400
}
