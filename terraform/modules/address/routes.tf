# The URL map: every path with the function of each of its methods, as the catalog has them. A literal segment goes
# before a parameter; a path that two templates match has the methods of both, those of the more literal one first. A
# method that no function of the path takes goes to the one of its alphabetically first method, which says 405.

locals {
  # A path with `~` for each parameter: alphabetically, that follows every literal.
  served = [
    for route in var.routes : {
      path     = replace(route.path, "/\\{\\w+\\}/", "~")
      methods  = contains(route.methods, "GET") ? setunion(route.methods, ["HEAD"]) : route.methods
      function = route.function
    }
  ]

  paths = sort(distinct(local.served[*].path))

  methods_of = {
    for path in local.paths : path => merge([
      for route in local.served : { for method in route.methods : method => route.function } if route.path == path
    ]...)
  }

  patterns = { for path in local.paths : path => "^${replace(replace(path, ".", "[.]"), "~", "[^/]+")}$" }

  functions_of = {
    for path in local.paths : path => merge([
      for other in reverse(local.paths) : local.methods_of[other] if can(regex(local.patterns[other], path))
    ]...)
  }

  last_of = { for path, functions in local.functions_of : path => functions[sort(keys(functions))[0]] }

  # For each path the functions that only some methods reach, then the one that all others do.
  rules = flatten([
    for path in local.paths : [
      [
        for function in sort(distinct(values(local.functions_of[path]))) : {
          path     = path
          function = function
          methods  = sort([for method, its in local.functions_of[path] : method if its == function])
        } if function != local.last_of[path]
      ],
      [{ path = path, function = local.last_of[path], methods = [] }],
    ]
  ])

  # What the platform counts and bounds, in the rules of one path matcher.
  templates  = sum([for rule in local.rules : strcontains(rule.path, "~") ? max(length(rule.methods), 1) : 0])
  conditions = sum([for rule in local.rules : max(2 * length(rule.methods), 1)])

  backends = { for key, service in google_compute_backend_service.function : key => "${local.global}/backendServices/${service.name}" }
}

resource "google_compute_url_map" "functions" {
  project         = var.project
  name            = "${var.name}-functions"
  default_service = local.backends[var.default_function]

  host_rule {
    hosts        = ["*"]
    path_matcher = "functions"
  }

  path_matcher {
    name            = "functions"
    default_service = local.backends[var.default_function]

    dynamic "route_rules" {
      for_each = local.rules

      content {
        priority = route_rules.key + 1
        service  = local.backends[route_rules.value.function]

        # One for each method: what they ask for is enough each.
        dynamic "match_rules" {
          for_each = length(route_rules.value.methods) == 0 ? [""] : route_rules.value.methods

          content {
            full_path_match     = strcontains(route_rules.value.path, "~") ? null : route_rules.value.path
            path_template_match = strcontains(route_rules.value.path, "~") ? replace(route_rules.value.path, "~", "*") : null

            dynamic "header_matches" {
              for_each = match_rules.value == "" ? [] : [match_rules.value]

              content {
                header_name = ":method"
                exact_match = header_matches.value
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = alltrue([for rule in local.rules : contains(var.functions, rule.function)])
      error_message = "A route names a function that is not among `functions`."
    }

    precondition {
      condition     = length(local.rules) <= 1000 && local.conditions <= 1000 && local.templates <= 100
      error_message = "A path matcher has at most 1,000 rules, 1,000 conditions and 100 path templates; this one would have ${length(local.rules)}, ${local.conditions} and ${local.templates}."
    }

    precondition {
      condition     = alltrue([for path in local.paths : length(split("~", path)) <= 6 && length(path) <= 255])
      error_message = "A path template has at most five parameters and 255 characters."
    }
  }

  depends_on = [var.ready]
}
