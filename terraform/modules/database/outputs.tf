output "name" {
  description = "The database's name, when its indexes are built: who needs one of them comes after it."
  value       = google_firestore_database.this.name
  depends_on = [
    google_firestore_index.this,
    google_firestore_field.this,
    google_firebaserules_release.this,
  ]
}

output "location" {
  description = "The database's location."
  value       = google_firestore_database.this.location_id
}
