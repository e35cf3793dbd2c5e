output "ipv4" {
  description = "What the host name's A record is to hold."
  value       = google_compute_global_address.this["ipv4"].address
}

output "ipv6" {
  description = "What the host name's AAAA record is to hold."
  value       = google_compute_global_address.this["ipv6"].address
}

output "rules" {
  description = "How much of the URL map's limits is used: rules, conditions (of 1,000 each) and path templates (of 100)."
  value       = { rules = length(local.rules), conditions = local.conditions, templates = local.templates }
}
