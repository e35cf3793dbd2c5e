output "dashboard" {
  description = "The dashboard's resource name."
  value       = google_monitoring_dashboard.this.id
}

output "metrics" {
  description = "The log-based metrics, by the names that the log's lines have."
  value = merge(
    { for name, metric in google_logging_metric.measure : name => metric.name },
    { dead_letters = google_logging_metric.dead_letters.name },
  )
}
