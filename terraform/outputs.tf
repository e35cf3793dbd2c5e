# What whoever deploys needs to know next; nothing of it is secret.

output "function_urls" {
  description = "Each HTTP function's URL, which takes the documented path after it."
  value       = { for name in keys(local.http_rows) : name => module.function[name].url }
}

output "base_url" {
  description = "Where the API is: its one address, or else what each function's name follows."
  value       = local.public_base_url
}

output "address" {
  description = "What the domain's A and AAAA records are to hold, and how much of the URL map's limits is used."
  value       = one(module.address)
}

output "files_bucket" {
  description = "The bucket of print files and pictures."
  value       = module.storage.files_bucket
}

output "data_key" {
  description = "The key that encrypts access codes and files' tokens."
  value       = module.encryption.data_key
}

output "secrets" {
  description = "Each secret's id in Secret Manager."
  value       = module.secrets.ids
}

output "recipients" {
  description = "Each site's service account and its subscriptions."
  value = {
    for id, recipient in module.recipient : id => { account = recipient.account, subscriptions = recipient.subscriptions }
  }
}

output "dashboard" {
  description = "The dashboard's resource name."
  value       = module.monitoring.dashboard
}
