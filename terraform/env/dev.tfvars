# For trying things out: everything in it can be destroyed. project comes by -var or TF_VAR_project.

environment = "dev"
region      = "europe-west1"

backups = {
  daily_days = 0
}
