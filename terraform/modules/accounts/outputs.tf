output "functions" {
  description = "The account of each class of functions, by its e-mail address."
  value       = local.functions
}

output "events" {
  description = "The account by which events call functions, by its e-mail address."
  value       = local.events
}

output "build" {
  description = "The account that builds functions, by its e-mail address."
  value       = local.build
}
