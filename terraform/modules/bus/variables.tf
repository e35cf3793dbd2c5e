variable "project" {
  description = "The project's id."
  type        = string
}

variable "regions" {
  description = "Where messages may be stored."
  type        = set(string)
}

variable "schemas_dir" {
  description = "The folder of the schemas; each file has its topic's name."
  type        = string
}

variable "publishers" {
  description = "Who publishes what happens: accounts by their e-mail addresses."
  type        = set(string)
}

variable "pubsub_agent" {
  description = "Pub/Sub's agent, by its e-mail address."
  type        = string
}
