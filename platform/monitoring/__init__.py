"""What people are told without looking: notifications by e-mail and by signed webhooks."""
