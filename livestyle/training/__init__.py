"""Learning a network from paintings: `command` is what `livestyle train` runs, `loop` the training itself.

config    what decides the result           photos    the pictures it learns on, and those kept aside
loop      one training, from start to end   state     all that changes on the way, as one checkpoint
judge     losses on the photos kept aside    budget    how much is done: learning rate and end
team      several processes as one          plan, preview, curves, card    what the user sees
recipe    how a shipped network is made again
"""
