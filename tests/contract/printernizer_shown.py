"""What the printed description of Printernizer's API shows of requests and answers."""

from typing import Any

Shown = dict[str, Any]

HEALTH: Shown = {
    "status": "healthy",
    "timestamp": "2025-09-03T14:30:00Z",
    "version": "1.0.0",
    "database": "connected",
    "active_printers": 2,
    "uptime_seconds": 86_400,
}
SYSTEM: Shown = {
    "system": {"version": "1.0.0", "timezone": "Europe/Berlin", "language": "en", "business_mode": True},
    "database": {"type": "sqlite", "jobs_count": 156, "files_count": 89, "printers_count": 2},
    "features": {"job_monitoring": True, "file_management": True, "business_analytics": False, "preview_system": False},
}
PRINTERS: Shown = {
    "printers": [
        {
            "id": "bambu_a1_001",
            "name": "Bambu Lab A1 #1",
            "type": "bambu_lab",
            "model": "A1",
            "ip_address": "192.168.1.100",
            "serial_number": "AC12345678",
            "status": "online",
            "current_job": {
                "id": 123,
                "name": "test_print.3mf",
                "status": "printing",
                "progress": 45.7,
                "estimated_remaining": 3_600,
            },
            "temperatures": {"nozzle": 210.5, "bed": 60.0, "chamber": 28.5},
            "is_active": True,
            "last_seen": "2025-09-03T14:30:00Z",
            "created_at": "2025-09-01T10:00:00Z",
        },
        {
            "id": "prusa_core_001",
            "name": "Prusa Core One #1",
            "type": "prusa",
            "model": "Core One",
            "ip_address": "192.168.1.101",
            "status": "idle",
            "current_job": None,
            "temperatures": {"nozzle": 25.0, "bed": 25.0},
            "is_active": True,
            "last_seen": "2025-09-03T14:29:45Z",
            "created_at": "2025-09-01T10:00:00Z",
        },
    ],
    "total_count": 2,
    "active_count": 2,
}
PRINTER: Shown = {
    "id": "bambu_a1_001",
    "name": "Bambu Lab A1 #1",
    "type": "bambu_lab",
    "model": "A1",
    "ip_address": "192.168.1.100",
    "serial_number": "AC12345678",
    "access_code": "12345678",
    "status": "online",
    "connection_status": "connected",
    "firmware_version": "1.04.00.00",
    "current_job": {
        "id": 123,
        "name": "test_print.3mf",
        "status": "printing",
        "progress": 45.7,
        "layer_current": 125,
        "layer_total": 274,
        "estimated_remaining": 3_600,
        "started_at": "2025-09-03T12:00:00Z",
    },
    "temperatures": {"nozzle": 210.5, "nozzle_target": 210.0, "bed": 60.0, "bed_target": 60.0, "chamber": 28.5},
    "statistics": {
        "total_jobs": 45,
        "successful_jobs": 42,
        "failed_jobs": 3,
        "total_print_time": 345_600,
        "material_used_total": 2.45,
    },
    "capabilities": {"has_camera": True, "has_ams": True, "supports_remote_control": True},
    "is_active": True,
    "last_seen": "2025-09-03T14:30:00Z",
    "created_at": "2025-09-01T10:00:00Z",
}
NEW_PRINTER: Shown = {
    "id": "bambu_a1_002",
    "name": "Bambu Lab A1 #2",
    "type": "bambu_lab",
    "ip_address": "192.168.1.102",
    "access_code": "87654321",
    "serial_number": "AC87654321",
    "is_active": True,
}
PRINTER_CREATED: Shown = {
    "id": "bambu_a1_002",
    "name": "Bambu Lab A1 #2",
    "type": "bambu_lab",
    "status": "configuring",
    "connection_status": "testing",
    "message": "Printer configuration created, testing connection...",
    "created_at": "2025-09-03T14:30:00Z",
}
PRINTER_CHANGES: Shown = {"name": "Updated Printer Name", "ip_address": "192.168.1.103", "is_active": False}
PRINTER_CHANGED: Shown = {
    "id": "bambu_a1_001",
    "message": "Printer configuration updated successfully",
    "updated_at": "2025-09-03T14:30:00Z",
}
PRINTER_REMOVED: Shown = {"message": "Printer configuration removed successfully", "deleted_at": "2025-09-03T14:30:00Z"}
JOBS: Shown = {
    "jobs": [
        {
            "id": 123,
            "printer_id": "bambu_a1_001",
            "printer_name": "Bambu Lab A1 #1",
            "job_name": "custom_bracket.3mf",
            "status": "printing",
            "progress": 45.7,
            "layer_current": 125,
            "layer_total": 274,
            "start_time": "2025-09-03T12:00:00Z",
            "estimated_duration": 7_200,
            "estimated_completion": "2025-09-03T14:00:00Z",
            "actual_duration": 3_300,
            "material_info": {"type": "PLA", "color": "Black", "estimated_usage": 45.5, "actual_usage": None},
            "file_info": {"size": 2_048_576, "path": "/prints/2025-09-03/custom_bracket.3mf"},
            "costs": {"material_cost": 2.28, "power_cost": 0.15, "total_cost": 2.43},
            "is_business": True,
            "created_at": "2025-09-03T11:55:00Z",
            "updated_at": "2025-09-03T14:30:00Z",
        }
    ],
    "pagination": {
        "page": 1,
        "limit": 50,
        "total_items": 156,
        "total_pages": 4,
        "has_next": True,
        "has_previous": False,
    },
    "summary": {"active_jobs": 2, "queued_jobs": 1, "completed_today": 5, "failed_today": 0},
}
JOB: Shown = {
    "id": 123,
    "printer_id": "bambu_a1_001",
    "printer_name": "Bambu Lab A1 #1",
    "job_name": "custom_bracket.3mf",
    "status": "printing",
    "progress": 45.7,
    "layer_current": 125,
    "layer_total": 274,
    "start_time": "2025-09-03T12:00:00Z",
    "end_time": None,
    "estimated_duration": 7_200,
    "actual_duration": 3_300,
    "estimated_completion": "2025-09-03T14:00:00Z",
    "material_info": {
        "type": "PLA",
        "brand": "OVERTURE",
        "color": "Black",
        "estimated_usage": 45.5,
        "actual_usage": None,
        "cost_per_gram": 0.05,
    },
    "file_info": {
        "filename": "custom_bracket.3mf",
        "size": 2_048_576,
        "path": "/prints/2025-09-03/custom_bracket.3mf",
        "hash": "sha256:abc123...",
        "uploaded_at": "2025-09-03T11:50:00Z",
    },
    "print_settings": {"layer_height": 0.2, "infill": 20, "print_speed": 100, "nozzle_temp": 210, "bed_temp": 60},
    "costs": {"material_cost": 2.28, "power_cost": 0.15, "labor_cost": 0.0, "total_cost": 2.43},
    "quality_metrics": {"first_layer_adhesion": "good", "surface_finish": "excellent", "dimensional_accuracy": 0.1},
    "is_business": True,
    "customer_info": {"order_id": "PO-2025-0234", "customer_name": "Max Mustermann GmbH"},
    "created_at": "2025-09-03T11:55:00Z",
    "updated_at": "2025-09-03T14:30:00Z",
}
JOB_CANCELLED: Shown = {
    "id": 123,
    "status": "cancelled",
    "message": "Job cancellation initiated",
    "cancelled_at": "2025-09-03T14:30:00Z",
}
JOB_CHANGES: Shown = {
    "is_business": True,
    "customer_info": {"order_id": "PO-2025-0234", "customer_name": "Max Mustermann GmbH"},
    "material_cost": 2.5,
    "notes": "High priority order",
}
JOB_CHANGED: Shown = {
    "id": 123,
    "message": "Job information updated successfully",
    "updated_at": "2025-09-03T14:30:00Z",
}
FILES: Shown = {
    "files": [
        {
            "id": "f123",
            "printer_id": "bambu_a1_001",
            "printer_name": "Bambu Lab A1 #1",
            "filename": "test_print.3mf",
            "file_size": 2_048_576,
            "file_type": ".3mf",
            "status": "available",
            "status_icon": "📁",
            "printer_path": "/cache/test_print.3mf",
            "local_path": None,
            "created_on_printer": "2025-09-03T10:00:00Z",
            "downloaded_at": None,
            "last_accessed": "2025-09-03T10:00:00Z",
            "download_url": "/api/v1/files/f123/download",
            "metadata": {"estimated_print_time": 7_200, "layer_height": 0.2, "infill": 20},
        },
        {
            "id": "f124",
            "printer_id": "bambu_a1_001",
            "printer_name": "Bambu Lab A1 #1",
            "filename": "bracket_v2.3mf",
            "file_size": 1_536_000,
            "file_type": ".3mf",
            "status": "downloaded",
            "status_icon": "✓",
            "printer_path": "/cache/bracket_v2.3mf",
            "local_path": "/downloads/bambu_a1_001/2025-09-03/bracket_v2.3mf",
            "created_on_printer": "2025-09-02T15:30:00Z",
            "downloaded_at": "2025-09-03T09:15:00Z",
            "last_accessed": "2025-09-03T09:15:00Z",
            "download_url": None,
            "checksum": "md5:def456...",
        },
        {
            "id": "f125",
            "printer_id": None,
            "printer_name": None,
            "filename": "local_design.stl",
            "file_size": 512_000,
            "file_type": ".stl",
            "status": "local",
            "status_icon": "💾",
            "printer_path": None,
            "local_path": "/uploads/local_design.stl",
            "created_on_printer": None,
            "downloaded_at": None,
            "last_accessed": "2025-09-01T16:20:00Z",
            "upload_url": "/api/v1/files/f125/upload",
        },
    ],
    "pagination": {"page": 1, "limit": 50, "total_items": 89, "total_pages": 2},
    "summary": {
        "available_count": 15,
        "downloaded_count": 62,
        "local_count": 12,
        "total_size": 134_217_728,
        "download_success_rate": 0.98,
    },
}
FILE: Shown = {
    "id": "f123",
    "printer_id": "bambu_a1_001",
    "printer_name": "Bambu Lab A1 #1",
    "filename": "test_print.3mf",
    "original_filename": "Custom Bracket Design.3mf",
    "file_size": 2_048_576,
    "file_type": ".3mf",
    "status": "available",
    "status_icon": "📁",
    "printer_path": "/cache/test_print.3mf",
    "local_path": None,
    "created_on_printer": "2025-09-03T10:00:00Z",
    "downloaded_at": None,
    "last_accessed": "2025-09-03T10:00:00Z",
    "download_attempts": 0,
    "download_url": "/api/v1/files/f123/download",
    "preview_url": "/api/v1/files/f123/preview",
    "metadata": {
        "estimated_print_time": 7_200,
        "layer_height": 0.2,
        "layer_count": 274,
        "infill": 20,
        "support_material": False,
        "material_type": "PLA",
        "nozzle_temperature": 210,
        "bed_temperature": 60,
    },
    "related_jobs": [{"id": 122, "status": "completed", "completed_at": "2025-09-02T16:30:00Z"}],
}
DOWNLOAD: Shown = {
    "id": "f123",
    "status": "downloading",
    "message": "Download initiated",
    "download_id": "dl_456789",
    "estimated_duration": 30,
    "started_at": "2025-09-03T14:30:00Z",
}
DOWNLOAD_STATUS: Shown = {
    "download_id": "dl_456789",
    "file_id": "f123",
    "status": "downloading",
    "progress": 67.5,
    "bytes_downloaded": 1_384_448,
    "bytes_total": 2_048_576,
    "speed_mbps": 2.5,
    "estimated_remaining": 8,
    "started_at": "2025-09-03T14:30:00Z",
    "error": None,
}
FILE_DELETED: Shown = {
    "id": "f123",
    "message": "Local file deleted successfully",
    "status": "available",
    "deleted_at": "2025-09-03T14:30:00Z",
}
CANDIDATES: Shown = {
    "cleanup_candidates": [
        {
            "id": "f100",
            "filename": "old_test.3mf",
            "file_size": 5_242_880,
            "downloaded_at": "2025-08-15T10:00:00Z",
            "last_accessed": "2025-08-15T10:00:00Z",
            "age_days": 19,
            "space_savings_mb": 5,
        }
    ],
    "total_candidates": 12,
    "total_space_savings_mb": 156,
}
CLEANUP: Shown = {"file_ids": ["f100", "f101", "f102"], "confirm": True}
CLEANED: Shown = {
    "cleaned_files": 3,
    "space_freed_mb": 45,
    "failed_cleanups": [],
    "completed_at": "2025-09-03T14:30:00Z",
}
OVERVIEW: Shown = {
    "period": "month",
    "start_date": "2025-08-01T00:00:00Z",
    "end_date": "2025-08-31T23:59:59Z",
    "printers": {"total_active": 2, "online_count": 2, "utilization_rate": 0.67},
    "jobs": {
        "total_jobs": 89,
        "completed_jobs": 85,
        "failed_jobs": 4,
        "success_rate": 0.955,
        "total_print_time": 432_000,
        "average_job_duration": 4_847,
    },
    "materials": {
        "total_used_kg": 12.5,
        "most_used_material": "OVERTURE PLA Black",
        "materials_breakdown": [
            {"material": "OVERTURE PLA Black", "used_kg": 4.2, "jobs": 35},
            {"material": "OVERTURE PLA White", "used_kg": 3.1, "jobs": 28},
            {"material": "OVERTURE PETG Clear", "used_kg": 2.8, "jobs": 15},
        ],
    },
    "business": {"business_jobs": 72, "private_jobs": 17, "business_percentage": 0.809, "revenue_estimate": 485.5},
    "files": {
        "total_files": 89,
        "downloaded_files": 62,
        "local_only_files": 12,
        "download_success_rate": 0.98,
        "total_storage_used_mb": 1_024,
    },
}
PRINTER_STATISTICS: Shown = {
    "printer_id": "bambu_a1_001",
    "printer_name": "Bambu Lab A1 #1",
    "period": "month",
    "uptime": {"total_hours": 720, "active_hours": 485, "utilization_rate": 0.674},
    "jobs": {
        "total_jobs": 45,
        "completed_jobs": 42,
        "failed_jobs": 3,
        "cancelled_jobs": 0,
        "success_rate": 0.933,
        "average_duration": 4_680,
    },
    "materials": {"total_used_kg": 6.8, "cost_total": 340.0, "most_used": "OVERTURE PLA Black"},
    "maintenance": {"last_maintenance": "2025-08-15T10:00:00Z", "nozzle_changes": 1, "bed_calibrations": 12},
    "quality_metrics": {"first_layer_success_rate": 0.96, "average_surface_quality": 4.2, "dimensional_accuracy": 0.05},
}
ERROR: Shown = {
    "error": {
        "code": "PRINTER_OFFLINE",
        "message": "Printer bambu_a1_001 is currently offline",
        "details": {"printer_id": "bambu_a1_001", "last_seen": "2025-09-03T13:45:00Z", "connection_attempts": 3},
        "timestamp": "2025-09-03T14:30:00Z",
        "request_id": "req_123456",
    }
}
MESSAGE: Shown = {
    "type": "printer_status",
    "timestamp": "2025-09-03T14:30:00Z",
    "data": {
        "printer_id": "bambu_a1_001",
        "status": "printing",
        "progress": 46.2,
        "temperatures": {"nozzle": 210.8, "bed": 59.8},
    },
}
