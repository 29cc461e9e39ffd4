-- Purpose: Counts the subscriptions of a channel, on the node that serves it.
-- KEYS:    1 the channel
-- ARGV:    1 NUMSUB, or SHARDNUMSUB for a sharded channel
-- Returns: the number of subscriptions
-- Cost:    O(1)
-- Cluster: the channel lies in one slot
-- Flags:   allow-oom
return redis.call('PUBSUB', ARGV[1], KEYS[1])[2]
