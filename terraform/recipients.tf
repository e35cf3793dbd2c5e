# LAN sites that take their commands from Pub/Sub.

module "recipient" {
  source   = "./modules/recipient"
  for_each = var.recipients

  project           = var.project
  recipient_id      = each.value
  topic             = module.bus.topics["printer-commands"]
  dead_letter_topic = module.bus.dead_letters
  pubsub_agent      = module.apis.agents.pubsub

  token_creators = [
    for name, class in local.classes : module.accounts.functions[name] if contains(class.uses, "credentials")
  ]

  depends_on = [module.apis]
}
