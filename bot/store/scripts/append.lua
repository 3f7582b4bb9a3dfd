-- append: thread, turn id, record, id of the turn it replaces ('' for none), turns and bytes of history at most,
-- ms that history is kept
append_turn(ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9])
return 1
