# The farm's cloud: nothing that holds data can be destroyed. project comes by -var or TF_VAR_project; so do
# alert_emails, domain and recipients, unless they are written here.

environment = "prod"
region      = "europe-west1"

# Firestore is in the region, too. Before the first apply, and never after it, one may choose several places instead:
# firestore_location = "eur3"

backups = {
  daily_days  = 7
  weekly_days = 56
}
