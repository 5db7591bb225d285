"""How many nodes a busy hour needs: the arithmetic behind `raymal plan`.

Lines: what a node was measured to hold, less what admission keeps for urgent calls; Erlang's loss formula
says how many callers find none free. Waiting: turns compete for slots, and Erlang's delay formula, corrected
for how much service times vary, says for how long; what else a turn takes is measured.

Pure: traffic and measurements in, plain figures out.
"""
