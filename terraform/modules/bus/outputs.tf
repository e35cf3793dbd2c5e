output "topics" {
  description = "Every topic that a function may follow, by its name: projects/…/topics/…"
  value = merge(
    { for name, topic in google_pubsub_topic.this : name => "projects/${var.project}/topics/${topic.name}" },
    { (google_pubsub_topic.dead_letters["dead-letters"].name) = local.dead_letters },
  )
}

output "dead_letters" {
  description = "Where messages go that were tried in vain; Pub/Sub may put them there."
  value       = local.dead_letters
  depends_on  = [google_pubsub_topic_iam_member.forwarder]
}

output "parked" {
  description = "Where dead letters go that could not be stored."
  value       = "projects/${var.project}/topics/${google_pubsub_topic.dead_letters["dead-letters-parked"].name}"
  depends_on  = [google_pubsub_topic_iam_member.forwarder]
}

output "schedules" {
  description = "The topic of the clock's ticks."
  value       = "projects/${var.project}/topics/${google_pubsub_topic.schedules.name}"
}

locals {
  dead_letters = "projects/${var.project}/topics/${google_pubsub_topic.dead_letters["dead-letters"].name}"
}
