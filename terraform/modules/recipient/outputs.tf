output "account" {
  description = "The site's account, by its e-mail address."
  value       = local.account
}

output "subscriptions" {
  description = "The ids of the site's subscriptions, by lane."
  value       = { for lane, subscription in google_pubsub_subscription.this : lane => subscription.name }
}
