"""What an open port is exposed to: who may send how much, who is listened to, who is answered.

Pure: time comes in as an argument, and what is learnt is told by the shells that learn it.
"""
