# What firestore.indexes.json says: composite indexes, fields that expire documents, fields without an index.
# Firestore ends each index with `__name__` itself; the provider does not count that as a difference.

locals {
  declared = jsondecode(file(var.indexes_file))

  indexes = {
    for index in local.declared.indexes : join(" ", concat(
      [index.collectionGroup],
      index.queryScope == "COLLECTION" ? [] : [lower(index.queryScope)],
      [for field in index.fields : "${field.fieldPath}:${trimsuffix(lower(try(field.order, field.arrayConfig)), "ending")}"],
    )) => index
  }

  fields = {
    for field in local.declared.fieldOverrides : "${field.collectionGroup} ${field.fieldPath}" => field
  }
}

resource "google_firestore_index" "this" {
  for_each = local.indexes

  project     = var.project
  database    = google_firestore_database.this.name
  collection  = lookup(local.renamed, each.value.collectionGroup, each.value.collectionGroup)
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }

  timeouts {
    create = "60m"
    delete = "60m"
  }
}

resource "google_firestore_field" "this" {
  for_each = local.fields

  project    = var.project
  database   = google_firestore_database.this.name
  collection = lookup(local.renamed, each.value.collectionGroup, each.value.collectionGroup)
  field      = each.value.fieldPath

  # The block that lists no index is what takes the field out of all.
  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes
      content {
        query_scope  = indexes.value.queryScope
        order        = try(indexes.value.order, null)
        array_config = try(indexes.value.arrayConfig, null)
      }
    }
  }

  dynamic "ttl_config" {
    for_each = try(each.value.ttl, false) ? [true] : []
    content {}
  }

  timeouts {
    create = "60m"
    update = "60m"
    delete = "60m"
  }
}
