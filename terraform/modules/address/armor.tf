# What never reaches a function. Preconfigured rules that read bodies (SQL, scripts, shells, files) are left out: they
# refuse uploads whose bytes look like one by chance, and behind them are neither SQL nor shells nor pages. Nobody is
# banned, since a site's people and its agent, which fetches stops, share an address.

locals {
  refusals = {
    100 = {
      description = "scanners, by their user agents and headers"
      expression  = "evaluatePreconfiguredWaf('scannerdetection-v33-stable', {'sensitivity': 1})"
    }
    110 = {
      description = "what scanners look for and no path here ends with"
      expression  = "request.path.lower().matches('[.](php|aspx?|jsp|cgi|env|git|sql|bak)(/|$)')"
    }
  }
}

resource "google_compute_security_policy" "this" {
  #checkov:skip=CKV_GCP_73:Nothing behind it is Java, and the rule reads bodies.
  project     = var.project
  name        = var.name
  description = "Rate limits and rules of the API's address"
  type        = "CLOUD_ARMOR"

  # Not VERBOSE, which logs the part of a request that matched: it may be a key.
  advanced_options_config {
    json_parsing = "STANDARD"
    log_level    = "NORMAL"
  }

  dynamic "rule" {
    for_each = local.refusals

    content {
      priority    = rule.key
      action      = "deny(403)"
      preview     = false
      description = rule.value.description

      match {
        expr {
          expression = rule.value.expression
        }
      }
    }
  }

  # Counted for each backend, and so for each function, and for each of Google's regions that requests arrive in.
  rule {
    priority    = 1000
    action      = "throttle"
    preview     = false
    description = "so many requests a minute from one address"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "allow"
    preview     = false
    description = "everything else"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
