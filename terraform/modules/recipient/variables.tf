variable "project" {
  description = "The project's id."
  type        = string
}

variable "recipient_id" {
  description = "The site's id."
  type        = string
}

variable "topic" {
  description = "The topic of commands: projects/…/topics/…"
  type        = string
}

variable "dead_letter_topic" {
  description = "Where commands go that the agent did not take: projects/…/topics/…"
  type        = string
}

variable "token_creators" {
  description = "Who gives the agent tokens of its account: accounts by their e-mail addresses."
  type        = set(string)
}

variable "pubsub_agent" {
  description = "Pub/Sub's agent, by its e-mail address."
  type        = string
}
