"""What people are notified of: notifications by e-mail and by signed webhooks."""
