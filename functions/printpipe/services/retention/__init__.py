"""What is removed, and when: by age, or because an organization leaves."""
