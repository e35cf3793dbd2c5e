# Request logs whose URL carries a credential are not kept. They are the platform's alone, by their log's name: what the
# functions log themselves, without URLs, stays whatever it says.

locals {
  # A credential in the query under any of these names, or under a name that is written with percent signs and may be
  # one of them. As a referrer, too: browsers tell where they come from.
  credential_in_query = "(?i)[?&](api_?key|ticket|[^=&]*%[^=&]*)="

  # Functions whose path is itself the credential.
  path_is_credential = sort([for name, row in local.http_rows : name if row.auth == "token"])

  credential_paths = sort(distinct([
    for name in local.path_is_credential : split("/{", local.http_rows[name].http.path)[0]
  ]))

  credential_in_url = join(" OR ", concat(
    [
      "httpRequest.requestUrl=~\"${local.credential_in_query}\"",
      "httpRequest.referer=~\"${local.credential_in_query}\"",
    ],
    # Also with a slash too many or in another spelling, which no route matches and the request log holds all the same.
    [for path in local.credential_paths : "httpRequest.requestUrl=~\"(?i)${path}/\""],
  ))
}

resource "google_logging_project_exclusion" "functions" {
  project     = var.project
  name        = "${var.name}-credentials-functions"
  description = "Requests to functions with a credential in the URL; the functions' own log has them without it."
  filter = join(" AND ", [
    "log_id(\"run.googleapis.com/requests\")",
    "resource.type=\"cloud_run_revision\"",
    "(${join(" OR ", [
      local.credential_in_url,
      "resource.labels.service_name=(${join(" OR ", [for name in local.path_is_credential : "\"${name}\""])})",
    ])})",
  ])

  depends_on = [module.apis]
}

resource "google_logging_project_exclusion" "address" {
  count = var.domain == null ? 0 : 1

  project     = var.project
  name        = "${var.name}-credentials-address"
  description = "Requests to the load balancer with a credential in the URL; the functions' own log has them without it."
  filter = join(" AND ", [
    "log_id(\"requests\")",
    "resource.type=\"http_load_balancer\"",
    "(${local.credential_in_url})",
  ])

  depends_on = [module.apis]
}
