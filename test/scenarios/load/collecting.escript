#!/usr/bin/env escript
%% Processes that make garbage, collect it, and send what they made to others, which check it; a table, timers, and a program behind a port.
main(_) ->
    table = ets:new(table, [named_table, public, {write_concurrency, true}]),
    Me = self(),
    [spawn_link(fun() -> make(Me, Seed) end) || Seed <- [1, 2, 3]],
    Port = open_port({spawn, "/bin/cat"}, [stream, binary]),
    round(1, Port).

make(To, Seed) ->
    List = [{N, integer_to_list(N * Seed), <<N:64, 0:(8 * 100)>>} || N <- lists:seq(1, 5000)],
    true = erlang:garbage_collect(),
    ets:insert(table, {Seed, lists:sublist(List, 1000)}),
    To ! {made, self(), Seed, List},
    receive next -> make(To, Seed) end.

round(Round, Port) ->
    [receive {made, From, Seed, List} -> check(Seed, List), From ! next end || _ <- [1, 2, 3]],
    [check(Seed, List) || {Seed, List} <- ets:tab2list(table)],
    Started = erlang:monotonic_time(),
    erlang:send_after(2, self(), timer),
    receive timer -> ok end,
    true = erlang:monotonic_time() - Started >= erlang:convert_time_unit(2, millisecond, native),
    Text = integer_to_binary(Round),
    Port ! {self(), {command, Text}},
    receive {Port, {data, Text}} -> ok end,
    io:format("round ~p~n", [Round]),
    round(Round + 1, Port).

check(Seed, List) ->
    lists:foldl(fun({At, Text, <<Number:64, _/binary>>}, N) -> {N, N} = {At, Number}, N = list_to_integer(Text) div Seed, N + 1 end, 1, List).
