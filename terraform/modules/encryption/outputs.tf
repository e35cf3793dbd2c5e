output "data_key" {
  description = "The functions' key (KMS_KEY_PATH): projects/…/cryptoKeys/data."
  value       = local.keys["data"]
}

output "files_key" {
  description = "The buckets' key, which Cloud Storage may use: projects/…/cryptoKeys/files."
  value       = local.keys["files"]
  depends_on  = [time_sleep.granted]
}
