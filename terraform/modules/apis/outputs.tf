output "agents" {
  description = "E-mail addresses of the agents of eventarc, pubsub, scheduler and storage."
  value       = local.agents
  depends_on  = [time_sleep.settled]
}

output "project_number" {
  description = "The project's number."
  value       = local.number
}

output "ready" {
  description = "Known when the services can be used."
  value       = time_sleep.settled.id
}
