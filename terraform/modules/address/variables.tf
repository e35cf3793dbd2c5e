variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where the functions are."
  type        = string
}

variable "name" {
  description = "With which all names here begin."
  type        = string
}

variable "domain" {
  description = "The host name, whose A and AAAA records are to point to the two addresses."
  type        = string

  validation {
    condition     = length(var.domain) <= 64
    error_message = "A managed certificate's first name has at most 64 characters."
  }
}

variable "routes" {
  description = "Which function answers which methods of which path; a parameter of a path is `{name}`, a whole segment."
  type = list(object({
    path     = string
    methods  = set(string)
    function = string
  }))

  validation {
    condition = alltrue([
      for route in var.routes : can(regex("^/$|^(/([A-Za-z0-9._-]+|\\{\\w+\\}))+$", route.path)) && length(route.methods) > 0
    ])
    error_message = "A path has literal segments and parameters, no trailing slash, and at least one method."
  }
}

variable "functions" {
  description = "The functions that are behind the address, by their names; those of `routes`."
  type        = set(string)
}

variable "ready" {
  description = "What is known when the functions may be called: no path leads to one before. Nothing but the URL map waits."
  type        = list(string)
  default     = []
}

variable "default_function" {
  description = "Which of them answers what no route matches; it knows its own path alone and says 404 to others."
  type        = string
}

variable "requests_per_minute" {
  description = "What one client address may ask of one function in a minute."
  type        = number
}

variable "log_sample_rate" {
  description = "The share of requests that the load balancer logs; Cloud Run logs each of them besides."
  type        = number
  default     = 0.1
}
