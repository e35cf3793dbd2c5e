# Told of at half, nine tenths and all of it, and when it looks as if it would be passed; nothing is switched off.

resource "google_billing_budget" "month" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = local.title

  # By number: so the API has it, and by id it would differ at every plan.
  budget_filter {
    projects        = ["projects/${var.project_number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]

    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  # Besides those who manage the billing account; the API takes five channels.
  dynamic "all_updates_rule" {
    for_each = length(local.channels) == 0 ? [] : [slice(local.channels, 0, min(5, length(local.channels)))]

    content {
      monitoring_notification_channels = all_updates_rule.value
    }
  }
}
