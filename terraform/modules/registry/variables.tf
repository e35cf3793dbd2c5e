variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where the images are: where the functions are."
  type        = string
}

variable "name" {
  description = "The repository's name."
  type        = string
}
