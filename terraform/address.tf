# One address for all functions, where there is a domain.

locals {
  routes = flatten([
    for name, row in local.http_rows : [
      for path in concat([row.http.path], try(row.http.also, [])) : {
        path     = path
        methods  = row.http.methods
        function = name
      }
    ]
  ])
}

module "address" {
  source = "./modules/address"
  count  = var.domain == null ? 0 : 1

  project             = var.project
  region              = var.region
  name                = var.name
  domain              = var.domain
  routes              = local.routes
  functions           = keys(local.http_rows)
  ready               = [for name in keys(local.http_rows) : module.function[name].name]
  default_function    = "cloud-health-check"
  requests_per_minute = var.requests_per_minute

  depends_on = [module.apis]
}
