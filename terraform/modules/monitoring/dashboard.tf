# One page: what is asked, how it is answered, what waits.

locals {
  charts = [
    {
      title = "Requests by function"
      unit  = "1"
      lines = { "{{service_name}}" = "topk(10, sum by (service_name) (increase(${local.requests}[$${__interval}])))" }
    },
    {
      title = "5xx by function"
      unit  = "1"
      lines = { "{{service_name}}" = "sum by (service_name) (increase(${local.failures}[$${__interval}])) > 0" }
    },
    {
      title = "Latency of requests"
      unit  = "ms"
      lines = {
        for share in ["0.5", "0.95", "0.99"] : share =>
        "histogram_quantile(${share}, sum by (le) (increase(run_googleapis_com:request_latencies_bucket{${local.run}}[$${__interval}])))"
      }
    },
    {
      title = "Instances by function"
      unit  = "1"
      lines = { "{{service_name}}" = "topk(10, sum by (service_name) (run_googleapis_com:container_instance_count{${local.run}}))" }
    },
    {
      title = "Commands: until claimed, until ended (95 %)"
      unit  = "s"
      lines = { "{{stage}} {{lane}}" = "histogram_quantile(0.95, sum by (le, stage, lane) (increase(${local.logged}command_latency_bucket{${local.run}}[$${__interval}])))" }
    },
    {
      title = "Jobs: wait until dispatched (95 %)"
      unit  = "s"
      lines = { "{{priority}}" = "histogram_quantile(0.95, sum by (le, priority) (increase(${local.logged}dispatch_wait_bucket{${local.run}}[$${__interval}])))" }
    },
    {
      title = "Jobs: the oldest that waits"
      unit  = "s"
      lines = { "oldest" = "histogram_quantile(0.99, sum by (le) (increase(${local.logged}queue_age_bucket{${local.run}}[$${__interval}])))" }
    },
    {
      title = "Messages: until dealt with (95 %)"
      unit  = "s"
      lines = { "{{consumer}}" = "histogram_quantile(0.95, sum by (le, consumer) (increase(${local.logged}consumer_lag_bucket{${local.run}}[$${__interval}])))" }
    },
    {
      title = "Triggers: oldest message"
      unit  = "s"
      lines = { "{{subscription_id}}" = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.trigger}}) > 0" }
    },
    {
      title = "Dead letters"
      unit  = "1"
      lines = { "{{consumer}} {{kind}}" = "sum by (consumer, kind) (increase(${local.logged}dead_letters{${local.run}}[$${__interval}]))" }
    },
    {
      title = "Sites: pulls"
      unit  = "1"
      lines = { "{{subscription_id}}" = "sum by (subscription_id) (increase(${local.pulls}[$${__interval}]))" }
    },
    {
      title = "Firestore: reads, writes, deletes"
      unit  = "1"
      lines = {
        for kind in ["read", "write", "delete"] : kind =>
        "sum(increase(firestore_googleapis_com:document_${kind}_ops_count{${local.documents}}[$${__interval}]))"
      }
    },
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project

  dashboard_json = jsonencode({
    displayName = local.title
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, chart in local.charts : merge(
          {
            width  = 24
            height = 16
            widget = {
              title = chart.title
              xyChart = {
                chartOptions = { mode = "COLOR" }
                dataSets = [
                  for legend, query in chart.lines : {
                    legendTemplate  = legend
                    plotType        = "LINE"
                    targetAxis      = "Y1"
                    timeSeriesQuery = { prometheusQuery = query, unitOverride = chart.unit }
                  }
                ]
              }
            }
          },
          # The API drops what is 0, and would differ at every plan.
          { for edge, at in { xPos = index % 2 * 24, yPos = floor(index / 2) * 16 } : edge => at if at > 0 },
        )
      ]
    }
  })
}
