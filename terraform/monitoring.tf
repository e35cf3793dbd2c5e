# Who is told of what, and where it is seen.

module "monitoring" {
  source = "./modules/monitoring"

  project        = var.project
  project_number = module.apis.project_number
  name           = var.name
  environment    = var.environment
  emails         = var.alert_emails
  budget         = var.budget
  functions      = keys(local.rows)
  host           = var.domain == null ? "${var.region}-${var.project}.cloudfunctions.net" : var.domain
  health_path    = var.domain == null ? "/cloud-health-report/health" : "/health"

  depends_on = [module.apis]
}
