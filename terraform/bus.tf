# Topics, and who publishes to them. The subscriptions stand with those who follow them.

module "bus" {
  source = "./modules/bus"

  project      = var.project
  regions      = [var.region]
  schemas_dir  = "${path.root}/../functions/schemas"
  publishers   = [for name, class in local.classes : module.accounts.functions[name] if contains(class.uses, "bus")]
  pubsub_agent = module.apis.agents.pubsub

  depends_on = [module.apis]
}
