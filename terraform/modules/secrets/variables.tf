variable "project" {
  description = "The project's id."
  type        = string
}

variable "name" {
  description = "With which the secrets' ids begin."
  type        = string
}

variable "production" {
  description = "Whether Terraform refuses to destroy the secrets that there always are."
  type        = bool
}

variable "secrets" {
  description = "Which there are: api_keys, fetch_token_secret, jwt_secret, smtp_password."
  type        = set(string)

  validation {
    condition     = length(setsubtract(var.secrets, ["api_keys", "fetch_token_secret", "jwt_secret", "smtp_password"])) == 0
    error_message = "There is no value for another secret."
  }
}

variable "versions" {
  description = "Each secret's number: where it changes, a new version is written."
  type        = map(number)

  validation {
    condition     = alltrue([for number in values(var.versions) : number >= 1 && number == floor(number)])
    error_message = "The versions of secrets are counted from 1."
  }
}

variable "accessors" {
  description = "Who reads a secret: accounts by their e-mail addresses."
  type        = map(set(string))
}

variable "api_keys" {
  description = "What is written to api_keys; null for a random value."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "fetch_token_secret" {
  description = "What is written to fetch_token_secret; null for a random value."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "jwt_secret" {
  description = "What is written to jwt_secret; null for a random value."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "smtp_password" {
  description = "What is written to smtp_password; null for a random value, which no mail server takes."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}
