# One host name in front of all functions: addresses, certificate, proxies, and a backend for each function.

terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

locals {
  global = "projects/${var.project}/global"

  # By the family's suffix, as its four resources are named.
  addresses = {
    ipv4 = google_compute_global_address.this["ipv4"].address
    ipv6 = google_compute_global_address.this["ipv6"].address
  }
}

resource "google_compute_global_address" "this" {
  for_each = toset(["ipv4", "ipv6"])

  project    = var.project
  name       = "${var.name}-${each.key}"
  ip_version = upper(each.key)
}

# Is issued, and renewed, once the host name's records point here.
resource "google_compute_managed_ssl_certificate" "this" {
  project = var.project
  name    = "${var.name}-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  # A certificate in use cannot be removed: with another domain the new one comes first, under another name.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "this" {
  project         = var.project
  name            = "${var.name}-tls"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  project          = var.project
  name             = "${var.name}-https"
  url_map          = "${local.global}/urlMaps/${google_compute_url_map.functions.name}"
  ssl_certificates = ["${local.global}/sslCertificates/${google_compute_managed_ssl_certificate.this.name}"]
  ssl_policy       = "${local.global}/sslPolicies/${google_compute_ssl_policy.this.name}"
}

resource "google_compute_global_forwarding_rule" "https" {
  for_each = local.addresses

  project               = var.project
  name                  = "${var.name}-https-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = each.value
  port_range            = "443"
  target                = "${local.global}/targetHttpsProxies/${google_compute_target_https_proxy.this.name}"
}

# 308 keeps the method and the body, which 301 does not.
resource "google_compute_url_map" "redirect" {
  project = var.project
  name    = "${var.name}-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  project = var.project
  name    = "${var.name}-redirect"
  url_map = "${local.global}/urlMaps/${google_compute_url_map.redirect.name}"
}

resource "google_compute_global_forwarding_rule" "http" {
  for_each = local.addresses

  project               = var.project
  name                  = "${var.name}-http-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = each.value
  port_range            = "80"
  target                = "${local.global}/targetHttpProxies/${google_compute_target_http_proxy.redirect.name}"
}

# A function of the second generation is a Cloud Run service of its name, known before there is one. What is made before
# its predecessor is destroyed wants the same of all that it refers to, and a function whose build failed, which Terraform
# then replaces, cannot be there twice: so nothing here refers to functions.
resource "google_compute_region_network_endpoint_group" "function" {
  for_each = var.functions

  project               = var.project
  region                = var.region
  name                  = "${var.name}-${each.key}"
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value
  }

  # What a backend or the URL map still refers to cannot be removed: they let go of it first.
  lifecycle {
    create_before_destroy = true
  }
}

# No timeout and no health check: the API refuses both for a serverless backend. A request, a WebSocket too, may last as
# long as its function's own timeout says, up to an hour.
resource "google_compute_backend_service" "function" {
  for_each = var.functions

  project               = var.project
  name                  = "${var.name}-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = "${local.global}/securityPolicies/${google_compute_security_policy.this.name}"

  backend {
    group = join("/", [
      "projects/${var.project}/regions/${var.region}/networkEndpointGroups",
      google_compute_region_network_endpoint_group.function[each.key].name,
    ])
  }

  log_config {
    enable      = true
    sample_rate = var.log_sample_rate
  }

  lifecycle {
    create_before_destroy = true
  }
}
